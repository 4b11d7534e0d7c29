"""The networks in torch, one file each, all with the interface of interface.py."""
