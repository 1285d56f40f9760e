"""`python -m counterfactory`."""

from counterfactory.cli import main

if __name__ == "__main__":
    main()
