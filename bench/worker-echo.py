# SPDX-License-Identifier: Apache-2.0
from kabridge import run


def echo(records):
    return [record.value for record in records]


run(echo)
