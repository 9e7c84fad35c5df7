package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/toml/v2"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
	gotoml "github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/parley-chat/parley"
)

// Off is the address of a door that stays shut.
const Off = "off"

// Config is all that an operator can set. The keys of the file are the toml
// tags; in the environment timeouts.session is PARLEY_TIMEOUTS_SESSION.
type Config struct {
	Data       string   `koanf:"data" toml:"data"`             // directory of the store
	Text       string   `koanf:"text" toml:"text"`             // address of the text door, or off
	Line       string   `koanf:"line" toml:"line"`             // address of the line door, or off
	IRC        string   `koanf:"irc" toml:"irc"`               // off: there is no such door yet
	HTTP       string   `koanf:"http" toml:"http"`             // off: there is no such door yet
	Insecure   bool     `koanf:"insecure" toml:"insecure"`     // public addresses without TLS are meant
	Kill       string   `koanf:"kill" toml:"kill"`             // auto, anyone, admin or never
	Durability string   `koanf:"durability" toml:"durability"` // full or relaxed
	Rooms      []string `koanf:"rooms" toml:"rooms"`           // created at the first start
	Log        Log      `koanf:"log" toml:"log"`
	Timeouts   Timeouts `koanf:"timeouts" toml:"timeouts"`
	Limits     Limits   `koanf:"limits" toml:"limits"`
	Grants     Grants   `koanf:"grants" toml:"grants"`
}

// Grants says what users may do beyond what everybody may, by their names:
// accounts, and the modules that the server runs.
type Grants map[string]Grant

// Grant is what one of them may do.
type Grant struct {
	Rights []string `koanf:"rights" toml:"rights"` // of Rights
	Env    []string `koanf:"env" toml:"env"`       // variables of the environment that a module gets
}

// Rights lists what can be granted: to provide commands; to enter, read and post
// in rooms, which only modules need to be granted; to use the network, likewise;
// to administer.
func Rights() []string { return []string{"provide", "rooms", "network", "admin"} }

// Log says what the log holds.
type Log struct {
	Level  string `koanf:"level" toml:"level"`   // debug, info, warn or error
	Format string `koanf:"format" toml:"format"` // auto, text or json
}

// Timeouts are durations such as "10s".
type Timeouts struct {
	Request string `koanf:"request" toml:"request"` // for a frame once begun
	Session string `koanf:"session" toml:"session"` // of silence of a text session; "0s": for ever
	Call    string `koanf:"call" toml:"call"`       // for a program to return from a call
}

// Limits are the bounds that an operator may move.
type Limits struct {
	Frame    int `koanf:"frame" toml:"frame"`       // bytes of a frame's data
	Password int `koanf:"password" toml:"password"` // least bytes of a new password
}

// Default is the configuration of a server that was told nothing.
func Default() Config {
	limits := parley.DefaultLimits()
	return Config{
		Data: "./parley-data", Text: "127.0.0.1:7700", Line: "127.0.0.1:7701", IRC: Off, HTTP: Off,
		Kill: "auto", Durability: "full", Rooms: []string{"lobby"},
		Log:      Log{Level: "info", Format: "auto"},
		Timeouts: Timeouts{Request: limits.Request.String(), Session: limits.Session.String(), Call: limits.Call.String()},
		Limits:   Limits{Frame: limits.Frame, Password: 1},
	}
}

// Flags declares the settings that have a flag.
func Flags(flags *pflag.FlagSet) {
	d := Default()
	flags.String("data", d.Data, "directory of accounts, rooms and history")
	flags.String("text", d.Text, "address of the text door, unix:PATH, or off")
	flags.String("line", d.Line, "address of the line door, unix:PATH, or off")
	flags.String("irc", d.IRC, "off: this door does not exist yet")
	flags.String("http", d.HTTP, "off: this door does not exist yet")
	flags.Bool("insecure", d.Insecure, "allow public addresses although passwords travel in the clear")
	flags.String("kill", d.Kill, "who may stop the server with kill: auto, anyone, admin or never")
	flags.String("durability", d.Durability, "full: what is acknowledged survives a power loss; relaxed: faster")
	flags.String("log.level", d.Log.Level, "debug, info, warn or error")
}

// Load reads the settings: the defaults, the file at path if that is not empty,
// the environment (of "NAME=value"), and the flags that were given.
func Load(path string, environ []string, flags *pflag.FlagSet) (Config, error) {
	k := koanf.New(".")
	if err := k.Load(structs.Provider(Default(), "koanf"), nil); err != nil {
		return Config{}, fmt.Errorf("defaults: %w", err)
	}
	if path != "" {
		if err := loadFile(k, path); err != nil {
			return Config{}, err
		}
	}
	known := k.Keys()
	fromEnv := env.Provider(".", env.Opt{Prefix: "PARLEY_", EnvironFunc: func() []string { return environ }, TransformFunc: func(key, value string) (string, any) {
		key = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(key, "PARLEY_")), "_", ".")
		switch {
		case !slices.Contains(known, key):
			return "", nil // of a client, perhaps
		case key == "rooms":
			return key, strings.Fields(value)
		}
		return key, value
	}})
	if err := k.Load(fromEnv, nil); err != nil {
		return Config{}, fmt.Errorf("environment: %w", err)
	}
	if flags != nil {
		if err := k.Load(posflag.ProviderWithFlag(flags, ".", k, changed(flags, known)), nil); err != nil {
			return Config{}, fmt.Errorf("flags: %w", err)
		}
	}
	var c Config
	if err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{Tag: "koanf"}); err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	return c, c.check()
}

// changed lets only those flags through that were given and are settings.
func changed(flags *pflag.FlagSet, known []string) func(*pflag.Flag) (string, any) {
	return func(f *pflag.Flag) (string, any) {
		if !f.Changed || !slices.Contains(known, f.Name) {
			return "", nil
		}
		return f.Name, posflag.FlagVal(flags, f)
	}
}

// loadFile reads a file, in which every key must be known.
func loadFile(k *koanf.Koanf, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	decoder := gotoml.NewDecoder(strings.NewReader(string(raw))).DisallowUnknownFields()
	var strict *gotoml.StrictMissingError
	var wrong *gotoml.DecodeError
	switch err := decoder.Decode(&Config{}); {
	case errors.As(err, &strict):
		at := strict.Errors[0]
		line, _ := at.Position()
		return fmt.Errorf("%s:%d: there is no setting %s", path, line, strings.Join(at.Key(), "."))
	case errors.As(err, &wrong):
		line, column := wrong.Position()
		return fmt.Errorf("%s:%d:%d: %w", path, line, column, wrong)
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := k.Load(rawbytes.Provider(raw), toml.Parser()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// check refuses settings that make no sense, before anything is opened.
func (c *Config) check() error {
	for _, one := range []struct {
		key, value string
		allowed    []string
	}{
		{"kill", c.Kill, []string{"auto", "anyone", "admin", "never"}},
		{"durability", c.Durability, []string{"full", "relaxed"}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"auto", "text", "json"}},
		{"irc", c.IRC, []string{Off}},
		{"http", c.HTTP, []string{Off}},
	} {
		if !slices.Contains(one.allowed, one.value) {
			return fmt.Errorf("%s is %q; it can be %s", one.key, one.value, strings.Join(one.allowed, ", "))
		}
	}
	if c.Limits.Frame < 16<<10 || c.Limits.Frame > 16<<20 {
		return fmt.Errorf("limits.frame is %d; it can be from 16384 to 16777216 bytes", c.Limits.Frame)
	}
	if _, err := c.ParleyLimits(); err != nil {
		return err
	}
	if err := c.Grants.check(); err != nil {
		return err
	}
	for _, address := range []string{c.Text, c.Line} {
		if !c.Insecure && address != Off && !Private(address) {
			return fmt.Errorf("the address %s is not of this machine alone, and passwords would travel in the clear; say --insecure if you mean it", address)
		}
	}
	return nil
}

func (g Grants) check() error {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		parsed, err := parley.ParseUserName(name)
		if err != nil {
			return fmt.Errorf("grants.%s: that is no name of a user: %w", name, err)
		}
		if other := seen[parsed.Key()]; other != "" {
			return fmt.Errorf("grants.%s and grants.%s are of one user; write them as one", other, name)
		}
		seen[parsed.Key()] = name
		for _, right := range g[name].Rights {
			if !slices.Contains(Rights(), right) {
				return fmt.Errorf("grants.%s.rights has %q; there are %s", name, right, strings.Join(Rights(), ", "))
			}
		}
	}
	return nil
}

// ParleyLimits gives the limits with what the operator moved.
func (c *Config) ParleyLimits() (parley.Limits, error) {
	l := parley.DefaultLimits()
	l.Frame = c.Limits.Frame
	var err error
	if l.Request, err = duration("timeouts.request", c.Timeouts.Request, time.Millisecond); err != nil {
		return l, err
	}
	if l.Call, err = duration("timeouts.call", c.Timeouts.Call, time.Millisecond); err != nil {
		return l, err
	}
	l.Session, err = duration("timeouts.session", c.Timeouts.Session, 0)
	return l, err
}

func duration(key, value string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < least {
		return 0, fmt.Errorf("%s is %q; it is a duration such as 10s", key, value)
	}
	return d, nil
}

// Private tells whether an address can be reached from this machine only:
// loopback, or a Unix socket.
func Private(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
