package linedoor

// exit ends the connection and frees the name ("Exiting").
func exit(l *line) []byte {
	l.conn.Close()
	return nil
}
