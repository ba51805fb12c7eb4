"""Run inventories with deadlines and budgets; partial results stay `unknown`."""
