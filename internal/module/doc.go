// Package module runs the programs of an operator: it reads modules.txt, starts
// what is listed there, keeps it running, stops it, and contains what it does.
// It knows neither users nor commands: a [Host] lets a module in, and the [Seat]
// that it gives tells what of the module matters here.
//
// A module is a process that speaks with the host over a socket, its standard
// input and output, and whose standard error is the log's. A keeper looks after
// one line of the list: it starts the program, waits for its end, and starts it
// again, or not. The program is executed by a launcher ([Launch]), a process of
// our own program that gives up what a module may not have, and then becomes the
// program.
//
// Invariants:
//
//  1. A module holds no descriptor but its socket and the pipe of its log.
//  2. What a module says is bounded: in the log here, on its socket by the host.
//  3. When a module has ended, what it started has ended too, as far as the
//     system lets us find it.
//  4. A module that crashes again and again is left alone until the next Reload.
//  5. Close returns when no process and no goroutine of this package is left.
package module
