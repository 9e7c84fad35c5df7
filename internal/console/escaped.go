package console

// Escaped writes the fields of a message in one line, as the console shows an
// answer off a terminal: see escaped.
func Escaped(fields []string) string { return escaped(fields) }
