"""Generated from proto/midstep/v1 by `make stubs`. Do not edit."""
