"""What the doctor looks at: each check is a function from facts to findings, and touches nothing."""
