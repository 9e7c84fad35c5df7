package command_test

import (
	"errors"
	"fmt"
)

var errUnexpected = errors.New("open /var/lib/parley: no such file")

func typeName(v any) string { return fmt.Sprintf("%T", v) }
