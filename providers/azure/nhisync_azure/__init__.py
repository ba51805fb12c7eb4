"""Azure Key Vault and Entra credentials for nhisync."""
