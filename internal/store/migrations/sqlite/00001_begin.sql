-- +goose Up

-- Accounts. AUTOINCREMENT: a number is never used again.
CREATE TABLE users (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    key      TEXT    NOT NULL UNIQUE, -- the name as it is compared
    name     TEXT    NOT NULL,        -- the name as it is shown
    skeleton TEXT    NOT NULL UNIQUE, -- equal for names that look alike as shown
    folded   TEXT    NOT NULL,        -- the same, of the name as it is compared
    password TEXT    NOT NULL,        -- hash in PHC form
    created  INTEGER NOT NULL,        -- milliseconds
    crc      INTEGER NOT NULL
) STRICT;
CREATE INDEX users_folded ON users (folded);

-- What has a sequence of messages: a room, or a pair of accounts.
CREATE TABLE conversations (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    low       INTEGER REFERENCES users (id), -- NULL in a room
    high      INTEGER REFERENCES users (id),
    last_seq  INTEGER NOT NULL DEFAULT 0,
    last_time INTEGER NOT NULL DEFAULT 0,
    CHECK ((low IS NULL) = (high IS NULL) AND low <= high),
    UNIQUE (low, high)
) STRICT;

CREATE TABLE rooms (
    id      INTEGER PRIMARY KEY REFERENCES conversations (id),
    key     TEXT    NOT NULL UNIQUE,
    name    TEXT    NOT NULL,
    open    INTEGER NOT NULL, -- outsiders may speak
    guest   INTEGER NOT NULL, -- made by a guest
    creator INTEGER NOT NULL, -- an account's number, or 0
    created INTEGER NOT NULL,
    topic   TEXT    NOT NULL,
    crc     INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    user  INTEGER NOT NULL REFERENCES users (id),
    room  INTEGER NOT NULL REFERENCES rooms (id),
    since INTEGER NOT NULL,
    PRIMARY KEY (user, room)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_room ON members (room);

-- The writer checks that the conversation exists; a foreign key would look it
-- up again for every message.
CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    kind         INTEGER NOT NULL,
    sender       INTEGER NOT NULL,
    sender_name  TEXT    NOT NULL,
    time         INTEGER NOT NULL,
    text         TEXT    NOT NULL,
    ref          INTEGER NOT NULL,
    crc          INTEGER NOT NULL,
    UNIQUE (conversation, seq)
) STRICT;

CREATE TABLE client_ids (
    user         INTEGER NOT NULL,
    client_id    TEXT    NOT NULL,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    created      INTEGER NOT NULL,
    PRIMARY KEY (user, client_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX client_ids_by_age ON client_ids (created);
