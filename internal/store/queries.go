package store

// A query is one SQL statement, by its number in the list of a dialect.
type query int

// Statements of the writer that change something, prepared on its connection.
const (
	begin query = iota
	commit
	rollback
	insertUser
	updatePassword
	insertRoomConversation
	insertPairConversation
	updateHead
	deleteConversation
	insertRoom
	updateTopic
	deleteRoom
	insertMember
	deleteMember
	insertMessage
	deleteMessages
	rememberClientID
	forgetClientIDs
	deleteClientIDsOf

	changes // how many
)

// Statements of the writer that read, prepared on the same connection.
const (
	userByKey = changes + iota
	userBySkeleton
	userByID
	userExists
	pairConversation
	conversationHead
	roomByKey
	roomByID
	roomExists
	roomHasMember
	oneMessage
	clientID

	writerQueries // how many, with the changes
)

// Statements of the readers, prepared for their pool.
const (
	allRooms = writerQueries + iota
	accountsNamed
	roomsOfUser
	pairOfUsers
	messagesDown
	messagesUp
	messageMissing

	allQueries // how many
)

// messageColumns are what scanMessage reads, in its order.
const messageColumns = `conversation, seq, kind, sender, sender_name, time, text, ref, crc`

// pageOfMessages is read until there are enough of them.
const pageOfMessages = `SELECT ` + messageColumns + `, coalesce((SELECT last_seq FROM conversations WHERE id = ?1), 0)
	FROM messages WHERE conversation = ?1 AND seq > ?2 AND seq < ?3`

// accountColumns are what scanAccount reads, in its order.
const accountColumns = `id, key, name, skeleton, folded, password, created, crc`

// roomColumns are what scanRoom reads, in its order.
const roomColumns = `id, key, name, open, guest, creator, created, topic, crc`

// sqliteQueries is the list of the SQLite dialect. Values go in by placeholders only.
var sqliteQueries = [allQueries]string{
	begin:    `BEGIN IMMEDIATE`,
	commit:   `COMMIT`,
	rollback: `ROLLBACK`,

	userByKey:      `SELECT id FROM users WHERE key = ?`,
	userBySkeleton: `SELECT id FROM users WHERE skeleton IN (?1, ?2) OR folded IN (?1, ?2)`,
	userByID:       `SELECT ` + accountColumns + ` FROM users WHERE id = ?`,
	userExists:     `SELECT 1 FROM users WHERE id = ?`,
	insertUser:     `INSERT INTO users (key, name, skeleton, folded, password, created, crc) VALUES (?, ?, ?, ?, ?, ?, ?)`,
	updatePassword: `UPDATE users SET password = ?, crc = ? WHERE id = ?`,

	insertRoomConversation: `INSERT INTO conversations DEFAULT VALUES`,
	insertPairConversation: `INSERT INTO conversations (low, high) VALUES (?, ?)`,
	pairConversation:       `SELECT id FROM conversations WHERE low = ? AND high = ?`,
	conversationHead: `SELECT last_seq, last_time, low IS NULL,
		coalesce((SELECT max(seq) FROM messages WHERE conversation = c.id), 0),
		coalesce((SELECT time FROM messages WHERE conversation = c.id AND seq = last_seq), 0)
		FROM conversations c WHERE id = ?`,
	updateHead:         `UPDATE conversations SET last_seq = ?, last_time = ? WHERE id = ?`,
	deleteConversation: `DELETE FROM conversations WHERE id = ?`,

	roomByKey:     `SELECT id FROM rooms WHERE key = ?`,
	roomByID:      `SELECT ` + roomColumns + ` FROM rooms WHERE id = ?`,
	roomExists:    `SELECT 1 FROM rooms WHERE id = ?`,
	insertRoom:    `INSERT INTO rooms (` + roomColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	updateTopic:   `UPDATE rooms SET topic = ?, crc = ? WHERE id = ?`,
	deleteRoom:    `DELETE FROM rooms WHERE id = ?`,
	roomHasMember: `SELECT 1 FROM members WHERE room = ? LIMIT 1`,

	insertMember: `INSERT INTO members (user, room, since) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
	deleteMember: `DELETE FROM members WHERE user = ? AND room = ?`,

	insertMessage:  `INSERT INTO messages (` + messageColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
	oneMessage:     `SELECT ` + messageColumns + ` FROM messages WHERE conversation = ? AND seq = ?`,
	deleteMessages: `DELETE FROM messages WHERE conversation = ?`,

	clientID: `SELECT conversation, seq, created FROM client_ids WHERE user = ? AND client_id = ?`,
	rememberClientID: `INSERT INTO client_ids (user, client_id, conversation, seq, created) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (user, client_id) DO UPDATE
		SET conversation = excluded.conversation, seq = excluded.seq, created = excluded.created`,
	forgetClientIDs: `DELETE FROM client_ids WHERE (user, client_id) IN
		(SELECT user, client_id FROM client_ids WHERE created < ? ORDER BY created LIMIT ?)`,
	// By way of the senders, because there is no index by conversation.
	deleteClientIDsOf: `DELETE FROM client_ids WHERE conversation = ? AND user IN
		(SELECT DISTINCT sender FROM messages WHERE conversation = ?)`,

	allRooms:      `SELECT ` + roomColumns + ` FROM rooms ORDER BY key`,
	accountsNamed: `SELECT ` + accountColumns + ` FROM users WHERE key = ?1 OR skeleton IN (?2, ?3) OR folded IN (?2, ?3) ORDER BY key <> ?1`,
	roomsOfUser: `SELECT ` + roomColumns + ` FROM rooms
		WHERE id IN (SELECT room FROM members WHERE user = ?) AND key > ? ORDER BY key LIMIT ?`,
	pairOfUsers: `SELECT id FROM conversations WHERE low = ? AND high = ?`,
	// Messages of every kind, so that the reader sees whether one is missing.
	messagesDown: pageOfMessages + ` ORDER BY seq DESC`,
	messagesUp:   pageOfMessages + ` ORDER BY seq`,
	messageMissing: `SELECT 1 FROM conversations WHERE id = ?1 AND last_seq >= ?2
		AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation = ?1 AND seq = ?2)`,
}
