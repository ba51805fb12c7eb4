"""Inventory of one AWS account: nhisync beside Cloud Custodian and plain boto3 loops, on one counting server."""
