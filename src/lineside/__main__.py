"""`python -m lineside` is the command `lineside`."""

from lineside.cli import main

if __name__ == "__main__":
    main()
