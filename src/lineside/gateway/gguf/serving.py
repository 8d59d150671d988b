"""The process that holds one model: started by `engine.py`, it ends when its parent does.

It runs as a file and imports nothing of lineside, so that a model costs its own memory and no more.
What it is to do comes as one line of JSON on its standard input, the address goes out the same way.
"""

import json
import os
import sys


def main() -> None:
    """Load the model, say where it answers, then wait for the parent to close the pipe."""
    asked = json.loads(sys.stdin.readline())
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = asked["path"]
    params.model_alias = {asked["name"]}
    params.n_ctx = asked["context_tokens"]
    params.n_predict = asked["context_tokens"]
    params.n_parallel = 1  # one answer at a time; the others wait in order
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked["threads"]
    params.no_extra_bufts = True  # a second, repacked copy of the weights is not worth its memory
    params.cache_ram_mib = 0  # finished prompts are not kept beside the one in use
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [asked["key"]]
    params.ui = params.endpoint_slots = False
    params.verbosity = 2  # warnings and errors, never what was asked
    params.offline = True
    server = xllamacpp.Server(params)
    sys.stdout.write(json.dumps({"address": server.listening_address}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    # No time is lost on tidying up: nothing of this process outlives it.
    os._exit(0)


if __name__ == "__main__":
    main()
