# SPDX-License-Identifier: Apache-2.0
"""The least that Python can do with a socket: what comes goes back."""
import socket

connection = socket.socket(fileno=3)
try:
    while data := connection.recv(262144):
        connection.sendall(data)
except BrokenPipeError:
    pass  # the time is over
