// Package bench loads a server of the text, line or IRC protocol and tells what
// the load cost it. It imports no part of a server: whoever speaks one of these
// protocols can be measured, ours or not.
//
// Words: a client is one connection. A stream is one ordered flow of messages,
// from one client to one room or to one other client. A delivery is one message
// that reached one client other than its sender. A load is one way of sending: a
// window (closed loop: so many messages are outstanding) or a rate (open loop:
// message k is due at k/rate seconds, whatever the server does). A scenario says
// who is connected, who speaks, and what is counted.
//
// Invariants:
//
//  1. One thread plays all clients, with raw system calls on sockets that never
//     block, so that the tool costs less than the server it measures. It reports
//     its own cost.
//  2. Every message carries its stream, its number in the stream, and the time
//     from which its latency counts. Every delivery is checked: lost, repeated,
//     out of order, damaged, or come to somebody for whom it was not. A result
//     without an error means that each arrived once and in order.
//  3. In an open loop that time is the moment at which the message was due, and
//     not when it left: a stall is charged to every message that it delays.
//  4. Sending and receiving allocate nothing once a load is under way.
//  5. An address that is not this machine is refused unless the caller allows it.
//
// It runs on Linux alone: elsewhere Run gives ErrSystem.
package bench
