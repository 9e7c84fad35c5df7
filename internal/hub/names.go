package hub

import (
	"github.com/parley-chat/parley"
)

// names knows which names are held now: by whoever is online, and by who is
// about to be. Guarded by Hub.mu.
type names struct {
	byKey      map[string]*user
	bySkeleton map[string]*user
}

// user is somebody online, or about to be. sessions is guarded by Hub.mu.
type user struct {
	parley.User
	module   bool // a program that the server runs: it is not listed
	sessions []*Session
}

func newNames() names {
	return names{byKey: map[string]*user{}, bySkeleton: map[string]*user{}}
}

// hold gives the user's name to it, unless somebody else holds the name or one
// that looks like it.
func (n *names) hold(u *user) error {
	if holder := n.byKey[u.Name.Key()]; holder != nil && holder != u {
		return parley.Errorf(parley.CodeNameTaken, "the name %s is in use; choose another", u.Name)
	}
	skeletons := skeletonsOf(u.Name)
	for _, skeleton := range skeletons {
		if holder := n.bySkeleton[skeleton]; holder != nil && holder != u {
			return errLookAlike(u.Name)
		}
	}
	n.byKey[u.Name.Key()] = u
	for _, skeleton := range skeletons {
		n.bySkeleton[skeleton] = u
	}
	return nil
}

// free lets go of the user's name, if the user holds it.
func (n *names) free(u *user) {
	if n.byKey[u.Name.Key()] == u {
		delete(n.byKey, u.Name.Key())
	}
	for _, skeleton := range skeletonsOf(u.Name) {
		if n.bySkeleton[skeleton] == u {
			delete(n.bySkeleton, skeleton)
		}
	}
}

func skeletonsOf(name parley.Name) [2]string {
	return [2]string{name.Skeleton(), name.FoldedSkeleton()}
}

func errLookAlike(name parley.Name) *parley.Error {
	return parley.Errorf(parley.CodeInvalidName, "the name %s looks like one that somebody has; choose another", name)
}
