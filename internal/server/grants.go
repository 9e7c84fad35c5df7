package server

import (
	"context"
	"maps"
	"slices"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/config"
	"github.com/parley-chat/parley/internal/hub"
)

// rightOf is what the words of the settings mean to the hub. The network is not
// the hub's.
var rightOf = map[string]hub.Rights{"provide": hub.Provide, "rooms": hub.Rooms, "admin": hub.Admin}

// rights gives what users are granted, by the keys of their names.
func rights(grants config.Grants) map[string]hub.Rights {
	granted := make(map[string]hub.Rights, len(grants))
	for called, grant := range grants {
		name, err := parley.ParseUserName(called)
		if err != nil {
			continue // refused when the settings were read
		}
		for _, right := range grant.Rights {
			granted[name.Key()] |= rightOf[right]
		}
	}
	return granted
}

// warnOfGrants tells of rights that whoever registers a name next would have.
func (s *Server) warnOfGrants(ctx context.Context, grants config.Grants) {
	for _, called := range slices.Sorted(maps.Keys(grants)) {
		name, err := parley.ParseUserName(called)
		if err != nil || len(grants[called].Rights) == 0 || s.runs.lists(name) {
			continue
		}
		if found, err := s.hub.Registered(ctx, name); err == nil && !found {
			s.log.Warn("rights are granted to a name that nobody has registered: whoever does will have them", "user", name.String())
		}
	}
}
