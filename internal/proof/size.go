package proof

import "os"

// Size chooses how much a test does: usually, where changes are proven
// (PARLEY_PROOF=1), or in a soak (PARLEY_SOAK=1).
func Size(usual, proof, soak int) int {
	switch {
	case os.Getenv("PARLEY_SOAK") != "":
		return soak
	case os.Getenv("PARLEY_PROOF") != "":
		return proof
	}
	return usual
}
