// Command figures measures what docs/performance.md tells: parley and, where they
// are installed, InspIRCd and ngIRCd, under the same loads. It starts each server
// freshly for each load, one after the other, round after round, and prints a
// table that can be pasted. make bench runs it.
//
// Servers run on the first core and parley bench on the second, where taskset is
// installed and there are two.
package main
