package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/client"
	"github.com/parley-chat/parley/wire/linewire"
)

const tailHelp = `Follow a room: print what was said last, and then what is said, a line each. With
--json every line is an object with "event" (said, joined, left, topic or deleted),
"room", "user" and, where there are any, "id", "time" and "text".

Without --name it comes in as a guest with a name of its own. When the server goes, it
connects again and goes on where it was: no message is missing, and none comes twice.
Notices are on the standard error.

It ends when it is interrupted (exit code 130), and with
  1    the room does not exist, or may not be followed
  2    the command line makes no sense
  4    the server refused the name or the password
  5    not reachable
  124  not answered within --timeout

` + loginHelp

// follow is what to follow, and how to show it.
type follow struct {
	login
	room  string
	lines int    // of history at first
	since string // the id behind which to begin, in place of lines
	json  bool
}

func newTailCommand() *cobra.Command {
	var f follow
	cmd := &cobra.Command{
		Use:   "tail URL ROOM",
		Short: "Follow a room, as lines or as JSON",
		Long:  tailHelp,
		Example: `  parley tail text://127.0.0.1:7700 lobby
  parley tail text://127.0.0.1:7700 lobby --json -n 0 | jq -r .text`,
		Args: usage(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			cmd.SetContext(ctx)
			f.room = args[1]
			return f.run(cmd, args[0])
		},
	}
	f.flags(cmd.Flags())
	cmd.Flags().IntVarP(&f.lines, "lines", "n", 10, "how many of the latest messages to begin with, at most 200")
	cmd.Flags().StringVar(&f.since, "since", "", "begin behind the message of this id, instead")
	cmd.Flags().BoolVar(&f.json, "json", false, "print a JSON object a line")
	return cmd
}

func (f *follow) run(cmd *cobra.Command, address string) error {
	if f.name == "" {
		f.name = "tail-" + strings.ToLower(rand.Text()[:8])
	}
	c, err := f.dial(cmd, address)
	if err != nil {
		return err
	}
	defer c.Close()
	events := c.Events()
	ctx, cancel := f.within(cmd.Context())
	defer cancel()
	if err := f.begin(ctx, cmd.OutOrStdout(), c); err != nil {
		return f.failure(cmd.OutOrStdout(), false, err)
	}
	for {
		select {
		case <-cmd.Context().Done():
			return &exitError{code: exitInterrupted}
		case e, open := <-events:
			if !open {
				return f.failure(cmd.OutOrStdout(), false, c.Err())
			}
			if err := f.show(cmd, e); err != nil {
				return err
			}
		}
	}
}

// begin prints what was said last, and follows the room from there.
func (f *follow) begin(ctx context.Context, out io.Writer, c *client.Client) error {
	if f.since != "" {
		return c.Follow(ctx, f.room, f.since)
	}
	latest, err := c.HistoryBefore(ctx, f.room, "", max(f.lines, 1))
	if err != nil {
		return err
	}
	from := ""
	for _, m := range latest {
		from = m.ID()
		if f.lines > 0 {
			if err := f.print(out, shownOf(parley.Said{Message: m})); err != nil {
				return err
			}
		}
	}
	return c.Follow(ctx, f.room, from)
}

// line is what is printed of an event.
type line struct {
	Event string `json:"event"`
	Room  string `json:"room"`
	User  string `json:"user"`
	ID    string `json:"id,omitempty"`
	Time  string `json:"time,omitempty"`
	Text  string `json:"text,omitempty"`
}

// shownOf gives the line of an event; nil: it has none.
func shownOf(e parley.Event) *line {
	switch e := e.(type) {
	case parley.Said:
		return &line{"said", e.Room.String(), e.SenderName, e.ID(), parley.FormatTime(e.Time), e.Text}
	case parley.Joined:
		return &line{Event: "joined", Room: e.Room.String(), User: e.User.String()}
	case parley.Left:
		return &line{Event: "left", Room: e.Room.String(), User: e.User.String(), Text: e.Reason}
	case parley.TopicSet:
		return &line{Event: "topic", Room: e.Room.String(), User: e.SenderName, Text: e.Text}
	case parley.RoomDeleted:
		return &line{Event: "deleted", Room: e.Room.String(), User: e.User.String()}
	}
	return nil
}

// show prints an event, or tells of the connection.
func (f *follow) show(cmd *cobra.Command, e parley.Event) error {
	switch e := e.(type) {
	case client.Lost:
		fmt.Fprintf(cmd.ErrOrStderr(), "parley: %v; connecting again\n", e.Err)
	case client.Back:
		fmt.Fprintln(cmd.ErrOrStderr(), "parley: connected again")
		if e.Err != nil {
			return &exitError{1, e.Err} // the room is gone, or closed to us
		}
	}
	if l := shownOf(e); l != nil {
		return f.print(cmd.OutOrStdout(), l)
	}
	return nil // of a session in one room, what is private
}

// print prints a line, or for people one for each line of the text.
func (f *follow) print(out io.Writer, l *line) error {
	l.Room = f.room // in one spelling, whatever the line is of
	if f.json {
		return writeJSONLine(out, l)
	}
	var b strings.Builder
	user := linewire.Clean(l.User)
	switch l.Event {
	case "said":
		for piece := range linewire.Pieces(l.Text) {
			fmt.Fprintf(&b, "%s <%s> %s\n", l.Time, user, piece)
		}
	case "topic":
		fmt.Fprintf(&b, "-- %s set the topic: %s\n", user, linewire.Clean(l.Text))
	default:
		fmt.Fprintf(&b, "-- %s %s\n", user, l.Event)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
