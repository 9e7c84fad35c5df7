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

// grants are those of the settings, by the keys of the users' names.
type grants map[string]config.Grant

func grantsByKey(set config.Grants) *grants {
	g := grants{}
	for called, grant := range set {
		if name, err := parley.ParseUserName(called); err == nil { // else it was refused when the settings were read
			g[name.Key()] = grant
		}
	}
	return &g
}

// of gives the grant of a user.
func (g *grants) of(called string) config.Grant {
	name, err := parley.ParseUserName(called)
	if err != nil {
		return config.Grant{}
	}
	return (*g)[name.Key()]
}

// grant tells the hub who may what. What a listed module is granted is not granted
// to somebody who registered its name before.
func (s *Server) grant() {
	granted := hub.Grants{Accounts: map[string]hub.Rights{}, Modules: map[string]hub.Rights{}}
	for key, grant := range *s.grants.Load() {
		rights := hub.Rights(0)
		for _, right := range grant.Rights {
			rights |= rightOf[right]
		}
		granted.Modules[key] = rights
		if !s.runs.lists(key) {
			granted.Accounts[key] = rights
		}
	}
	s.hub.Grant(granted)
}

// warnOfGrants tells of rights that whoever registers a name next would have.
func (s *Server) warnOfGrants(ctx context.Context) {
	all := *s.grants.Load()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		name, err := parley.ParseUserName(key)
		if err != nil || s.runs.lists(key) || len(all[key].Rights) == 0 {
			continue
		}
		if found, err := s.hub.Registered(ctx, name); err == nil && !found {
			s.log.Warn("rights are granted to a name that nobody has registered: whoever does will have them", "user", key)
		}
	}
}
