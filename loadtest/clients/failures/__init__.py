"""What a client does when its connection, its channel or an operation fails, and the reasons in words."""
