# Rules for `mailhorn watch` and, as sieve/LOGIN.sieve in the data directory, for `mailhorn serve`: one file, one meaning.
require ["fileinto", "imap4flags", "copy", "mailbox"];

# Mailing lists, each into its own mailbox.
if header :contains "List-Id" "python-dev" {
    fileinto :create "Lists/Python";
    stop;
}

# Bills are kept twice: here, and where the tax adviser looks.
if anyof (header :matches "Subject" "*invoice*", address :domain :is "from" "billing.example.org") {
    fileinto :copy :create "Bills";
}

# What matters stands out.
if address :is "from" "boss@example.org" {
    addflag "\\Flagged";
}

# What is large and from a stranger can wait, already read.
if allof (size :over 5M, not address :domain :is "from" "example.org") {
    fileinto :create :flags "\\Seen" "Later";
}
