-- Accounts for which somebody else vouches: whoever shows a token of this issuer about this subject is the account's user. Oldest program
-- that may work on this: the one before it, which knows no tokens.

CREATE TABLE identity (
    issuer  TEXT NOT NULL CHECK (octet_length(issuer) BETWEEN 1 AND 256),
    subject TEXT NOT NULL CHECK (octet_length(subject) BETWEEN 1 AND 256),
    user    INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_of_user ON identity (user);
