package linedoor

import "context"

// clients lists every user online, on any door ("Displaying Clients").
func clients(_ context.Context, l *line, _ string) ([]byte, error) {
	return l.list("Clients", "No clients", l.door.hub.Users("")), nil
}
