"""Programs of Microsoft's, in an environment of their own, judge the sandbox: `make judges`."""
