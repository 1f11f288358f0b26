package ddl

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// DatabaseVariable stands for the quoted database name in the statements; it is the only variable. What an operator may
// change about a table (durability) is set by ALTER after the files, so that checksums do not depend on configuration.
const DatabaseVariable = "{{database}}"

// Migration is one numbered file.
type Migration struct {
	Version    int      // 1, 2, 3 … without gaps
	Name       string   // file name without number and suffix, e.g. events
	Statements []string // in order, without comments and semicolons, with DatabaseVariable in them
	Checksum   string   // hex SHA-256 of the file
}

// ErrBadDatabase is returned by Render for a database name that is not a plain identifier.
var ErrBadDatabase = errors.New("database name must be letters, digits and underscores, at most 64, and not begin with a digit")

// Migrations returns the embedded migrations in order.
// Errors: a file whose name is not NNNN_name.sql, a gap or repeat in the numbers, a file without statements.
func Migrations() ([]Migration, error) {
	sub, err := fs.Sub(files(), "sql")
	if err != nil {
		return nil, fmt.Errorf("open embedded migrations: %w", err)
	}
	return Read(sub)
}

//go:embed sql/*.sql
var embedded embed.FS

func files() fs.FS { return embedded }

// Read reads the migrations in the root of dir; see Migrations. It is exported for tests of the runner.
func Read(dir fs.FS) ([]Migration, error) {
	names, err := fs.Glob(dir, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	out := make([]Migration, 0, len(names))
	for i, file := range names {
		m, err := readOne(dir, file)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", file, err)
		}
		if m.Version != i+1 {
			return nil, fmt.Errorf("migration %s has number %d, want %d: numbers run from 1 without gaps", file, m.Version, i+1)
		}
		out = append(out, m)
	}
	return out, nil
}

func readOne(dir fs.FS, file string) (Migration, error) {
	number, name, ok := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
	version, err := strconv.Atoi(number)
	if !ok || err != nil || len(number) != 4 || name == "" {
		return Migration{}, errors.New("the name is not NNNN_name.sql")
	}
	text, err := fs.ReadFile(dir, file)
	if err != nil {
		return Migration{}, err
	}
	statements, err := split(string(text))
	if err != nil {
		return Migration{}, err
	}
	if len(statements) == 0 {
		return Migration{}, errors.New("no statement in it")
	}
	sum := sha256.Sum256(text)
	return Migration{Version: version, Name: name, Statements: statements, Checksum: hex.EncodeToString(sum[:])}, nil
}

// Render returns the statements for one database on one server.
func (m Migration) Render(database string) ([]string, error) { return m.RenderOn(database, "") }

// RenderOn returns the statements for one database on the replicas of a cluster; see OnCluster.
func (m Migration) RenderOn(database, cluster string) ([]string, error) {
	quoted, err := Quote(database)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(m.Statements))
	for i, s := range m.Statements {
		if out[i], err = OnCluster(strings.ReplaceAll(s, DatabaseVariable, quoted), cluster); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Quote returns the database name in backticks, or ErrBadDatabase. Names are not escaped but refused: a name that needs
// escaping would have to be escaped by everyone who queries.
func Quote(database string) (string, error) {
	if ok, err := regexp.MatchString(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`, database); err != nil || !ok {
		return "", fmt.Errorf("%w: %q", ErrBadDatabase, database)
	}
	return "`" + database + "`", nil
}

// split cuts a file into statements at semicolons outside of strings, quoted names and "--" comments, which it drops.
// Block comments are refused: nothing here needs them, and half-understood SQL must not be run.
func split(text string) ([]string, error) {
	var out []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'' || c == '`' || c == '"':
			end := closing(text, i)
			if end < 0 {
				return nil, fmt.Errorf("quote %c opened at byte %d is never closed", c, i)
			}
			b.WriteString(text[i : end+1])
			i = end
		case strings.HasPrefix(text[i:], "--"):
			for i < len(text) && text[i] != '\n' {
				i++
			}
			b.WriteByte('\n')
		case strings.HasPrefix(text[i:], "/*"):
			return nil, fmt.Errorf("block comment at byte %d: write -- comments", i)
		case c == ';':
			out = appendStatement(out, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if strings.TrimSpace(b.String()) != "" {
		return nil, errors.New("the last statement does not end in a semicolon: is the file cut short?")
	}
	return out, nil
}

// closing returns the index of the quote that closes the one at i, or -1. A backslash guards the next byte.
func closing(text string, i int) int {
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case text[i]:
			return j
		}
	}
	return -1
}

func appendStatement(to []string, s string) []string {
	if s = strings.TrimSpace(s); s != "" {
		to = append(to, s)
	}
	return to
}
