// Package conformance holds the protocol stories and plays them against a
// server, ours or another.
//
// A story says what named actors send on the doors of a server and what they
// must see. The stories lie in stories/*.txtar and are part of the package.
// [Load] gives them, [Run] plays one against a [Target], and the [*Failure] it
// returns says which line of the story did not come true, what was wanted,
// what came instead, and everything that was exchanged before. [Check] plays them
// all and says for each rule of the protocol pages how the server keeps it.
//
// Invariants:
//
//  1. A story is true of the protocol, not of one server's wording: what the
//     protocol leaves free is a star in the pattern.
//  2. A story can be played again and again, and beside others, on a server
//     that keeps its state: names that must be fresh are written $name.
//  3. Nothing sleeps. That nothing arrived is proven by a round trip, and what
//     a server does in its own time by asking until it is done. Only where
//     nothing marks the end of a message, a pause does: see Chunks below.
//  4. A server that hangs, babbles or hangs up fails a story, never the run.
//  5. The package imports no part of a server.
//
// # Files
//
// A file is a txtar archive about one theme. Its comment says which. Each file
// of the archive is a story: its name is what the story shows.
//
//	What the commands of the seed answer.
//	-- the empty message --
//	# clause: 1.3
//	open alice text
//	alice> nop
//	alice<
//
// A line that begins with # is a comment. Those before the first step may say
// something about the story:
//
//	# clause: 1.3.4 F30 the clause of docs/protocol-*.md that says it, which is the
//	                    rule that the story belongs to (rules.go), and numbers of
//	                    the case, for those who look for it; required
//	# extension         the story wants more than the two published protocols say:
//	                    our commands, pushes, error types or wordings, or our
//	                    reading where they are silent. What a server must offer for
//	                    it is seen from its steps (needs.go)
//	# extension: lines  the same; the server must offer just this
//	# granted           the story wants an account that the operator has granted the right
//	                    to provide: {granted} is its name, {password} its password. It may
//	                    have to be registered, and other stories use it at the same time
//	# heavy             the story makes work or leaves much behind: not for a
//	                    server that others use
//
// # Steps
//
// A step is a line. NAME is an actor: one connection.
//
//	open NAME text          connect to the text door
//	open NAME line          connect to the line door; what is sent gets an LF
//	open NAME line chunk    connect to the line door; what is sent goes as it is, one write
//	NAME> data              send a frame that holds the data, or a message
//	NAME>+ data             the same, but keep it back: it goes out in one write with
//	                        what NAME sends next
//	NAME>? data             send it, again and again, until the next step, which must
//	                        be NAME< PATTERN, comes true: for what a server notices in
//	                        its own time
//	NAME>> "bytes"          send these bytes and no others, in the quotes of Go
//	NAME< PATTERN           the next frame's data, or the next message, is like this
//	NAME<! PATTERN          the next one is not like this; NAME>? may stand before it too
//	NAME<+ PATTERN          neighbouring steps of this kind: they come in any order
//	NAME<~ PATTERN          skip what arrives until something is like this
//	NAME<< "bytes"          exactly these bytes come next
//	quiet NAME              nothing else has arrived: on the text door a nop under req is
//	                        answered next, on the line door an unknown word by Verified
//	enter NAME text         say a screen name on the line door; it is accepted, and however
//	                        the server greets, an unknown word is answered after it
//	try NAME text           the same, and it may be refused
//	regain NAME text        the same, on one connection after the other, until it is accepted
//	settle NAME             let pass what the line door says, until an unknown word is answered
//	shut NAME               end the sending direction (FIN), go on reading
//	closed NAME             the server ends the connection, and sends nothing before
//	ended NAME              the server ends the connection, whatever it sends before
//	drop NAME               vanish (RST)
//	leave NAME              close in good order
//	race A B C: P | Q       the next message of one of them is like P, of each other like Q
//	check A < B             compare two texts byte by byte: <, <=, = or !=
//	repeat N                play the steps up to "end" N times; {i} counts in letters that
//	end                     sort, bbb, bbc, bbd and so on
//
// What is sent and what is expected on the text door is the data of a frame in
// the syntax of the protocol, commas and backslashes as they are on the wire.
// An LF ends what the line door sends; at the end of a connection in chunk mode
// it may be missing. No step ends in a space: write {\x20}.
//
// # Texts and patterns
//
//	$name       name and six characters that are new in each run: $alice is alicek7x2pq.
//	            Spelled $Alice it is another spelling of the same name
//	{name}      in a pattern, binds one value, up to a comma or space, where it is seen
//	            first; it must be the same afterwards, and can be sent
//	{name:time} the same for a time: RFC 3339, UTC, milliseconds
//	{name:text} the same for any text
//	{20*ab}     ab twenty times
//	{\r\n\x00}  characters in the escapes of Go; {\\} is one backslash
//	*           in a pattern, any text, none included
//	\*          in a pattern, a star
//	{,*}        in a pattern, a comma and any text, or nothing: the words of an error
//	            for people, which a server may leave out
//	$$ and {{   a dollar and a brace
//
// # Writing stories
//
// Write what is sent, and rough expectations. [Record] plays the story and
// returns the expectations that did not come true, rewritten to what came;
// [Apply] puts them into the files. Those that came true stay as they are. Look
// at the difference: a recorded story says what a server does, and only its
// reader knows whether that is right.
//
// What one actor causes may reach another a moment after the first has its
// answer, but it is on its way before the next answer. So "nothing arrives at
// bob" is two steps: quiet alice, then quiet bob.
//
// # Chunks
//
// The published line protocol has no mark where a message ends, and its client
// sends one write for one message. Stories without "# extension" are played in
// lines or in such chunks, as the server has it ([Manners]); those with it send as
// "open" says. In chunk mode wait for an answer before the next message, or the
// server may read both as one: enter and settle do.
//
// What a server of chunks sends may arrive together or in pieces. A message then is
// what the step expects, if a read brought it; else, after a pause of the server,
// the shortest beginning of what has arrived that the step expects. So a pattern
// that ends in a star must not stand where two messages may come at once.
//
// TestStories plays all stories against a running server whose doors are named
// in the environment:
//
//	PARLEY_TEXT=127.0.0.1:7700 PARLEY_LINE=127.0.0.1:7701 go test ./conformance -run TestStories
//
// PARLEY_GRANTED and PARLEY_GRANTED_PASSWORD are the account of the stories that
// want one which may provide commands.
//
// With -update it rewrites the expectations.
package conformance
