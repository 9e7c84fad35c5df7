//go:build !linux

package bench

import "time"

func processCPU(int) (time.Duration, error) { return 0, ErrSystem }
func processResident(int) (int64, error)    { return 0, ErrSystem }
func ownCPU() time.Duration                 { return 0 }
