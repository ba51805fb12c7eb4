"""An AWS that fits into a test: moto behind an overlay that repairs what inventory and authorization rest on."""

from nhisync_aws.emulator.world import AwsWorld

__all__ = ["AwsWorld"]
