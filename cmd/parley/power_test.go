package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley"
	"github.com/parley-chat/parley/internal/hub"
	"github.com/parley-chat/parley/internal/powerloss"
	"github.com/parley-chat/parley/internal/proof"
	"github.com/parley-chat/parley/internal/store"
	"github.com/parley-chat/parley/wire/textwire"
)

// TestPowerLoss cuts the power of a server under load at many moments: whatever
// part of what was not synced is on the disk then, the store opens, and holds
// everything that was acknowledged (K3).
func TestPowerLoss(t *testing.T) {
	images, failed := powerImages(t, proof.Size(60, 1000, 10000), proof.Size(0, 1, 3))
	for number, err := range failed {
		t.Errorf("image %d: %v", number, err)
	}
	t.Logf("%d of %d images have lost something or do not open", len(failed), images)
}

// TestRelaxedPowerLoss does the same with a server that does not wait for the
// disk. It must lose something: otherwise TestPowerLoss proves nothing.
func TestRelaxedPowerLoss(t *testing.T) {
	images, failed := powerImages(t, proof.Size(20, 100, 1000), 0, "--durability", "relaxed")
	for number, err := range failed {
		if !errors.Is(err, errLost) {
			t.Errorf("image %d: %v; want it to open", number, err)
		}
	}
	if len(failed) == 0 && os.Getenv(replayImage) == "" {
		t.Error("nothing that was acknowledged is ever lost")
	}
	t.Logf("%d of %d images have lost something", len(failed), images)
}

// These make a test look at a recording that an earlier one has kept.
const (
	replayDir   = "PARLEY_POWER"
	replaySeed  = "PARLEY_POWER_SEED"
	replayImage = "PARLEY_POWER_IMAGE"
)

// powerImages records a server and tries images of its disk; it gives the
// errors of those that are not as they must be.
func powerImages(t *testing.T, images, checkpoints int, flags ...string) (tried int, failed map[int]error) {
	if err := powerloss.Usable(); err != nil {
		t.Skip(err)
	}
	dir, first, seed := os.Getenv(replayDir), 0, rand.Uint64()
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "parley-power-"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if !t.Failed() {
				os.RemoveAll(dir)
				return
			}
			t.Logf("to try image N again: %s=%s %s=%d %s=N go test ./cmd/parley -run '^%s$'",
				replayDir, dir, replaySeed, seed, replayImage, t.Name())
		})
		recordPower(t, dir, checkpoints, flags...)
	} else {
		seed, _ = strconv.ParseUint(os.Getenv(replaySeed), 10, 64)
		if n, err := strconv.Atoi(os.Getenv(replayImage)); err == nil {
			first, images = n, 1
		}
	}
	r := readPower(t, dir)
	t.Logf("%d moments, %d promises", r.disks.Moments(), len(r.promises))
	failed = map[int]error{}
	var mu sync.Mutex // guards failed
	var workers sync.WaitGroup
	chosen := r.choose(seed, first, images)
	for part := range slices.Chunk(chosen, max(1, (len(chosen)+1)/2)) {
		workers.Go(func() {
			walk := r.disks.Walk()
			for _, i := range part {
				if err := r.try(t, walk, i); err != nil {
					mu.Lock()
					failed[i.number] = fmt.Errorf("after moment %d: %w", i.moment, err)
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return images, failed
}

// A powerRecording is a directory with all that images are made of.
type powerRecording struct {
	disks    *powerloss.Recording
	ends     []int     // the moments at which the servers but the last one had ended
	promises []promise // by moment
}

// readPower reads what recordPower kept.
func readPower(t *testing.T, dir string) *powerRecording {
	t.Helper()
	root := filepath.Join(dir, "root")
	disks, err := powerloss.New(root, "-shm")
	if err != nil {
		t.Fatal(err)
	}
	var ends []int
	for life := range lives {
		held, err := powerloss.New(filepath.Join(dir, fmt.Sprintf("%d.disk", life)), "-shm")
		if err != nil {
			t.Fatal(err)
		}
		found, err := held.ReadDisk()
		if err != nil {
			t.Fatal(err)
		}
		trace, err := os.Open(filepath.Join(dir, fmt.Sprintf("%d.strace", life)))
		if err != nil {
			t.Fatal(err)
		}
		defer trace.Close()
		if err := disks.Read(trace, found); err != nil {
			t.Fatalf("recording %d: %v", life, err)
		}
		ends = append(ends, disks.Moments()-1)
	}
	r := &powerRecording{disks: disks, ends: ends[:lives-1]}
	kept, err := os.ReadFile(filepath.Join(dir, "promises.json"))
	if err == nil {
		err = json.Unmarshal(kept, &r.promises)
	}
	if err != nil {
		t.Fatal(err)
	}
	r.findMoments(t)
	return r
}

// findMoments finds out when each answer left.
func (r *powerRecording) findMoments(t *testing.T) {
	t.Helper()
	// By server and peer: a peer's port may be that of another one later.
	frames := map[string][]int{} // the moments of the answers on the text door
	lines := map[string]int{}    // the moments of lines, with the line
	partial := map[string][]byte{}
	for _, s := range r.disks.Sent() {
		life, _ := slices.BinarySearch(r.ends, s.Moment+1)
		peer := fmt.Sprint(life, s.To)
		rest := append(partial[peer], s.Bytes...)
		for {
			if end := bytes.IndexByte(rest, '\n'); len(rest) > 0 && rest[0] != 0 && end >= 0 { // no frame begins so
				lines[peer+" "+string(rest[:end+1])] = s.Moment
				rest = rest[end+1:]
				continue
			}
			if len(rest) < textwire.HeaderSize || rest[0] != 0 {
				break
			}
			size := textwire.HeaderSize + int(binary.BigEndian.Uint32(rest))
			if len(rest) < size {
				break
			}
			frames[peer] = append(frames[peer], s.Moment)
			rest = rest[size:]
		}
		partial[peer] = rest
	}
	for i := range r.promises {
		p := &r.promises[i]
		peer := fmt.Sprint(p.Life, p.Peer)
		moment, ok := lines[peer+" "+p.Said]
		if p.Said == "" {
			if ok = p.Answer < len(frames[peer]); ok {
				moment = frames[peer][p.Answer]
			}
		}
		if !ok {
			t.Fatalf("the recording lacks the answer to %q", p.Words)
		}
		p.moment = moment
	}
	slices.SortFunc(r.promises, func(a, b promise) int { return a.moment - b.moment })
}

// errLost says that something promised is not there; any other error, that the
// store cannot be used.
var errLost = errors.New("what was acknowledged is lost")

// An image is a disk as it may be after the power failed at a moment. Its
// number and the seed of the test make it again.
type image struct {
	number, moment int
	random         *rand.Rand
}

// choose gives images by moment.
func (r *powerRecording) choose(seed uint64, first, count int) []image {
	turns := r.disks.Turns()
	images := make([]image, count)
	for i := range images {
		random := rand.New(rand.NewPCG(seed, uint64(first+i)))
		images[i] = image{first + i, turns[random.IntN(len(turns))], random}
	}
	slices.SortFunc(images, func(a, b image) int { return cmp.Compare(a.moment, b.moment) })
	return images
}

// try opens the store on an image, and looks for all that had been promised by
// its moment.
func (r *powerRecording) try(t *testing.T, walk *powerloss.Walk, i image) error {
	dir, err := os.MkdirTemp(memoryDir(), "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	random := i.random
	disk := walk.Disk(i.moment, random)
	if random.IntN(2) == 0 { // what was shared memory may hold anything
		garbage := make([]byte, 32768)
		for i := range garbage {
			garbage[i] = byte(random.Uint32())
		}
		disk[filepath.Join(dataOf("."), "parley.db-shm")] = garbage
	}
	if err := disk.Write(dir); err != nil {
		return err
	}
	var due []promise
	for _, p := range r.promises {
		if p.moment < i.moment {
			due = append(due, p)
		}
	}
	return lookFor(t, dataOf(dir), due)
}

// memoryDir is a place for files that need no disk.
func memoryDir() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return "" // the usual one
}

// lookFor opens a store and looks for what was promised.
func lookFor(t *testing.T, data string, due []promise) (err error) {
	ctx := t.Context()
	if info, err := os.Stat(filepath.Join(data, "parley.db")); err == nil && info.Size() > 4<<20 {
		return fmt.Errorf("a database of %d bytes is not checked before it is used", info.Size())
	} else if errors.Is(err, fs.ErrNotExist) && len(due) > 0 {
		return fmt.Errorf("the database: %w", errLost)
	}
	s, err := store.Open(ctx, store.Options{Dir: data, Relaxed: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	rooms, err := s.Rooms(ctx)
	if err != nil {
		return err
	}
	k := kept{s: s, rooms: map[string]hub.RoomRecord{}, messages: map[parley.ConversationID][]parley.Message{}, joined: map[string][]parley.Name{}}
	for _, room := range rooms {
		k.rooms[room.Name.String()] = room
	}
	for _, p := range due {
		if err := k.find(t, p); err != nil {
			return fmt.Errorf("%q: %w", p.Words, err)
		}
	}
	return s.Commit(ctx, func(tx hub.Tx) error {
		if len(rooms) == 0 {
			return nil
		}
		_, err := tx.Append(&hub.Record{Message: &parley.Message{Conversation: rooms[0].ID, Kind: parley.KindMessage, Text: "still here"}})
		return err
	})
}

// kept is what a store holds, as far as it was asked for.
type kept struct {
	s        *store.Store
	rooms    map[string]hub.RoomRecord
	messages map[parley.ConversationID][]parley.Message
	shouts   map[string]bool
	joined   map[string][]parley.Name
}

func (k *kept) find(t *testing.T, p promise) error {
	ctx, words := t.Context(), p.Words
	found := false
	switch words[0] {
	case "register":
		accounts, err := k.s.Named(ctx, parley.StoredName(words[1], words[1]))
		if err != nil {
			return err
		}
		found = len(accounts) == 1
	case "new":
		_, found = k.rooms[words[1]]
	case "topic":
		found = k.rooms[words[1]].Topic == words[2]
	case "join":
		rooms, err := k.roomsOf(t, words[1])
		if err != nil {
			return err
		}
		found = slices.ContainsFunc(rooms, func(n parley.Name) bool { return n.String() == words[1] })
	case "post", "say":
		text, id := words[len(words)-3], words[len(words)-2]
		of, seq, err := parley.ParseID(id)
		if err != nil {
			return err
		}
		messages, err := k.history(t, of)
		if err != nil {
			return err
		}
		found = seq <= int64(len(messages)) && messages[seq-1].Text == text
	case "shout":
		messages, err := k.history(t, k.rooms["lobby"].ID)
		if err != nil {
			return err
		}
		if k.shouts == nil {
			k.shouts = map[string]bool{}
			for _, m := range messages {
				k.shouts[m.Text] = true
			}
		}
		found = k.shouts[words[1]]
	default:
		return fmt.Errorf("%s is not looked for", words[0])
	}
	if !found {
		return errLost
	}
	return nil
}

// roomsOf lists, once, the rooms of the client that made a room.
func (k *kept) roomsOf(t *testing.T, room string) ([]parley.Name, error) {
	owner, _, _ := strings.Cut(room, "-")
	if rooms, ok := k.joined[owner]; ok {
		return rooms, nil
	}
	accounts, err := k.s.Named(t.Context(), parley.StoredName(owner, owner))
	if err != nil || len(accounts) != 1 {
		return nil, errors.Join(err, errLost)
	}
	rooms, err := k.s.RoomsOf(t.Context(), accounts[0].ID, "", 1<<20)
	k.joined[owner] = rooms
	return rooms, err
}

// history reads a conversation once.
func (k *kept) history(t *testing.T, of parley.ConversationID) ([]parley.Message, error) {
	if messages, ok := k.messages[of]; ok {
		return messages, nil
	}
	messages, err := k.s.History(t.Context(), hub.HistoryQuery{Conversation: of, Forward: true, Limit: 1 << 20})
	k.messages[of] = messages
	return messages, err
}
