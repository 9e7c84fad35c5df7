package server_test

import "testing"

// TestSoak runs the tests that have a size for long runs, at that size.
func TestSoak(t *testing.T) {
	if !soak() {
		t.Skip("PARLEY_SOAK is not set")
	}
	for _, tt := range []struct {
		name string
		test func(*testing.T)
	}{
		{"length bombs", TestLengthBombs},
		{"stalled connections", TestStalledConnectionsCostLittle},
		{"nothing stays", TestNothingStays},
		{"stalled frames", TestManyStalledFramesEndTogether},
		{"reset before reply", TestResetBeforeReply},
		{"one name", TestManyClaimOneName},
		{"flooders", TestFlooderHearsWhy},
		{"shutdown", TestShutdownUnderLoad},
	} {
		t.Run(tt.name, tt.test)
	}
}
