// SPDX-License-Identifier: Apache-2.0
// The same as server.py for Node, standard library only. usage: server.js SOCKET
const http = require("http");

function score({ key, value }) {
  if (!("amount" in value))
    return { error: { message: "no amount", retryable: false } };
  return { key, is_large: value.amount > 1000 };
}

http
  .createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      const records = JSON.parse(Buffer.concat(pieces));
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(records.map(score)));
    });
  })
  .listen(process.argv[2]);
