require ["reject", "fileinto"]; fileinto "INBOX"; reject "b";
