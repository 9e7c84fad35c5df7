// Package client is the library for programs that talk to a parley server: bots,
// scripts, and modules, which add commands to the server.
//
//	c, err := client.Dial(ctx, "text://127.0.0.1:7700", client.Guest("robot"))
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	if err := c.Join(ctx, "lobby"); err != nil {
//		return err
//	}
//	for event := range c.Events() {
//		if said, ok := event.(parley.Said); ok {
//			fmt.Println(said.SenderName, "says", said.Text)
//		}
//	}
//
// # Requests
//
// Every command of the server has a method, and [Client.Do] sends any other, such as
// those that programs provide. Any number of goroutines may call them at once: requests
// are sent without waiting for the answers to earlier ones, and what waits to be sent
// leaves in one write. A context that ends gives a request up; whether it was done is
// not known then.
//
// A refusal is a [*parley.Error], so that errors.Is(err, parley.ErrNotLoggedIn) works,
// and errors.As gives its code. The connection goes on. When the connection ends before
// the answer comes, the error is a [*ConnError], and whether the request was done is
// not known. [ErrClosed] is what follows [Client.Close].
//
// # Events
//
// What the server tells without being asked comes on one channel, [Client.Events], as
// the types of package parley: parley.Said, Told, ToldCopy, Sent, Joined, Left, TopicSet
// and RoomDeleted; and as [Lost], [Back] and [Missed] of this package. A program that wants
// no events need not read them, and is answered all the same. Up to 4 MiB of events
// wait. After that a message of a room is left out and read from the history once
// there is room again, so that each comes once, in order, however late; in place of
// any other events comes a Missed that counts them.
//
// # Lost connections
//
// A client of [Dial] connects again when its connection is lost, as often as it takes,
// with growing pauses; [NoReconnect] turns that off. It ends when it is refused for good,
// as with a password that was changed meanwhile; a guest waits until its name is free. It
// logs in again, offers its commands
// again, joins its rooms again, and reads in the history what was said there meanwhile:
// each message of a room comes once, in the order of the room. A [Client.Post] of an
// account that was not answered is sent again with its client id, and is said once.
// Every other request that was not answered fails with a [*ConnError]; new ones wait for
// the connection as long as their contexts let them.
//
// What is not made up for: who came and went meanwhile, changed topics, and commands and
// private messages; those between accounts are in the history of "@user".
//
// # Programs that answer
//
// [Client.Handle] answers what others ask of this program, and [Client.Provide] offers a
// command to everyone. [Open] lets one and the same program run under the server, as a
// module, or by itself. See package parleytest for tests against a real server.
package client
