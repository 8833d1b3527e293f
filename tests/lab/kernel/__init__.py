"""The kernel's own ESP (XFRM), in a small virtual machine: the machine that runs the tests may have none."""
