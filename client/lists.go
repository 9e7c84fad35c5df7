package client

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley"
)

// Users lists who is online, on any door, guests included.
func (c *Client) Users(ctx context.Context) ([]parley.Name, error) { return c.list(ctx, "users") }

// Rooms lists the rooms of the server.
func (c *Client) Rooms(ctx context.Context) ([]parley.Name, error) { return c.list(ctx, "rooms") }

// Members lists who is in a room now.
func (c *Client) Members(ctx context.Context, room string) ([]parley.Name, error) {
	return c.list(ctx, "members", room)
}

// MyRooms lists the rooms that the account is a member of, whether this session is in
// them or not.
func (c *Client) MyRooms(ctx context.Context) ([]parley.Name, error) { return c.list(ctx, "myrooms") }

// list reads a list, page by page (1.6.7). Who comes or goes meanwhile may be in it or not.
func (c *Client) list(ctx context.Context, command string, args ...string) ([]parley.Name, error) {
	var all []parley.Name
	asked := args
	for {
		values, err := c.Do(ctx, command, asked...)
		switch {
		case err != nil:
			return nil, err
		case len(values) == 0:
			return nil, unexpected(command, values)
		case len(values) == 1:
			return all, nil
		case len(all) > 0 && values[len(values)-1] == all[len(all)-1].String():
			return nil, errEndless
		}
		all = append(all, names(values[1:])...)
		asked = append(args[:len(args):len(args)], values[len(values)-1])
	}
}

// HistoryBefore reads the latest messages of a room, or with "@user", before one that is
// known by its id; an empty one stands for the end. A limit of 0 stands for 50, and more
// than 200 for 200. They come oldest first, and may be fewer than the limit; none is the
// beginning of the history.
func (c *Client) HistoryBefore(ctx context.Context, of, id string, limit int) ([]parley.Message, error) {
	direction := ""
	if id != "" {
		direction = "before"
	}
	return c.historyPage(ctx, of, direction, id, limit)
}

// HistoryAfter reads the first messages after one that is known by its id; an empty one
// stands for the beginning. Otherwise it is as HistoryBefore.
func (c *Client) HistoryAfter(ctx context.Context, of, id string, limit int) ([]parley.Message, error) {
	return c.historyPage(ctx, of, "after", id, limit)
}

func (c *Client) historyPage(ctx context.Context, of, direction, id string, limit int) ([]parley.Message, error) {
	shown := ""
	if limit != 0 {
		shown = strconv.Itoa(limit)
	}
	values, err := c.Do(ctx, "history", of, direction, id, shown)
	if err != nil {
		return nil, err
	}
	if len(values)%4 != 1 {
		return nil, unexpected("history", values)
	}
	return messages(values), nil
}

// History reads all that was said in a room, or with "@user", after a message that is
// known by its id, oldest first; an empty one stands for the beginning. It ends with
// the first error.
func (c *Client) History(ctx context.Context, of, id string) iter.Seq2[parley.Message, error] {
	return func(yield func(parley.Message, error) bool) {
		for {
			page, err := c.HistoryAfter(ctx, of, id, limits.History)
			if err != nil {
				yield(parley.Message{}, err)
				return
			}
			if len(page) == 0 {
				return
			}
			next := page[len(page)-1].ID()
			if next <= id {
				yield(parley.Message{}, errEndless)
				return
			}
			for i := range page {
				if !yield(page[i], nil) {
					return
				}
			}
			id = next
		}
	}
}

// messages reads history,<id>,<time>,<user>,<text>,… (1.8.3).
func messages(values []string) []parley.Message {
	if len(values) == 0 {
		return nil
	}
	list := make([]parley.Message, 0, len(values)/4)
	for rest := values[1:]; len(rest) >= 4; rest = rest[4:] {
		list = append(list, message(rest[0], rest[1], rest[2], rest[3]))
	}
	return list
}

// A Module is a program that offers commands, as the server sees it.
type Module struct {
	Name     parley.Name // of its user
	State    string      // connected, starting, running, draining, waiting, off or stopped
	Commands []string
	Calls    int64         // since the server first saw the program
	Errors   int64         // how many of them were not answered
	Median   time.Duration // that the latest calls took, in whole microseconds; 0 when there was none
}

// Modules lists the programs that offer commands, and those that the server runs.
func (c *Client) Modules(ctx context.Context) ([]Module, error) {
	values, err := c.Do(ctx, "modules")
	if err != nil {
		return nil, err
	}
	if len(values)%6 != 1 {
		return nil, unexpected("modules", values)
	}
	list := make([]Module, 0, len(values)/6)
	for rest := values[1:]; len(rest) > 0; rest = rest[6:] {
		m := Module{Name: name(rest[0]), State: rest[1], Commands: strings.Fields(rest[2])}
		// What is no number is zero, as if it were not told.
		m.Calls, _ = strconv.ParseInt(rest[3], 10, 64)
		m.Errors, _ = strconv.ParseInt(rest[4], 10, 64)
		median, _ := strconv.ParseInt(rest[5], 10, 64)
		m.Median = time.Duration(median) * time.Microsecond
		list = append(list, m)
	}
	return list, nil
}

// ReloadModules lets the server read the list of the programs that it runs again. It
// needs the right admin.
func (c *Client) ReloadModules(ctx context.Context) error { return c.done(ctx, "modules", "reload") }
