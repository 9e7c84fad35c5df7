// Package proof judges a server by what its clients saw. It is support for
// tests, and knows no part of a server.
//
// Clients write into a [Log] what they say, how that ended, what they are told,
// and in the end what the history holds. [Log.Check] then finds, in time that
// grows with the log, every promise that was broken:
//
//   - what was acknowledged is in the history, and what anybody knew of is in
//     every history that is read later: else it is [Lost]
//   - it is there once, however often it was said under one client id, and told
//     once: else it is [Doubled]
//   - what one session says, and what is said when something else is known
//     already, stands in that order, and every session is told in the order of
//     the history: else it is [Reordered]
//   - a session is told of everything from its first message to its last, and of
//     all that was said after it came in and was on its way before it asked
//     something that was answered, unless its last words tell that it is cut:
//     else there is a [Gap]
//   - nobody is told what the history does not hold, or what was refused, and the
//     history holds nothing that nobody said: else it is a [Phantom]
//   - nobody hears what is said while it is not there, or is not for it: else it
//     is a [Leak]
//   - what is told and kept is as it was said, where it was said, by who said it:
//     else it is [Forged]
//   - an id names one message, and whoever reads the history reads the same:
//     else there is a [Fork]
//
// What makes this possible: no text is said twice in a run, but to repeat a post
// whose answer did not come. So a text names its message everywhere.
//
// An outcome that is not known is none of a failure: what was said may be there
// or not, but once.
package proof
