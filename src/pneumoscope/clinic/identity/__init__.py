"""Identity: accounts, passwords, second factors, sessions, tokens and single sign-on."""
