// Package powerloss rebuilds what a disk may hold after the power failed. It
// reads a recording of a program's system calls, made by strace, and gives for
// any moment of it one of the many disks that are possible then.
//
// Words: a moment is a line of the recording; what stands before it has
// happened. A call begins and ends at moments, which differ when calls of
// several threads overlap. A sector is 512 bytes: the disk writes one wholly or
// not at all.
//
// Invariants:
//
//  1. A change of a file that ended before an fsync or fdatasync of that file
//     began is on the disk once that call has ended well. A name that was made,
//     moved or removed is, once its directory has been synced likewise. What a
//     sync failed for, a later one does not make durable.
//  2. Of every other change that has begun any part may be there, whatever
//     happened to those before and after it: a write by sectors, each as some
//     moment since the last sync left it; a change of length or name, or none.
//  3. Bytes that were sent count from the moment when the call began: later
//     than that they may be with their receiver.
//  4. The directory that is recorded exists and is durable when it begins.
//     Memory that programs share through a file is not recorded.
//  5. What cannot be understood and could change the recorded directory is an
//     error, never passed over.
package powerloss
