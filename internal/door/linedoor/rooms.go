package linedoor

import "context"

// rooms lists the rooms ("Displaying Rooms").
func rooms(_ context.Context, l *line, _ string) ([]byte, error) {
	return l.list("Rooms", "No active rooms", l.door.hub.Rooms("")), nil
}
