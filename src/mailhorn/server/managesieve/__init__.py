"""ManageSieve (RFC 5804): the sessions of clients that manage their scripts."""
