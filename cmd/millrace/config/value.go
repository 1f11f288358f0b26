package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"millrace/schemas/secret"
)

var errMasked = errors.New("is the mask that `config dump` prints, not a secret: give the secret itself")

// set puts raw, as a file's parser or a text gave it, into field. The error completes a sentence that begins with the
// key: "must be a whole number, is \"ten\"".
func set(field reflect.Value, k kind, raw any) error {
	if k == kindList {
		return setList(field, raw)
	}
	text, err := scalar(raw)
	if err != nil {
		return err
	}
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("is not valid: %w", err)
		}
		return nil
	}
	switch k {
	case kindBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false, is %q", text)
		}
		field.SetBool(b)
	case kindNumber:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return fmt.Errorf("must be a number, is %q", text)
		}
		field.SetFloat(n)
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration with its unit, such as 500ms, 3s or 168h, is %q", text)
		}
		field.SetInt(int64(d))
	case kindInteger, kindSize:
		return setInteger(field, k, text)
	default:
		if field.Type() == reflect.TypeFor[secret.Secret]() && text == secret.Mask {
			return errMasked
		}
		field.SetString(text)
	}
	return nil
}

func setInteger(field reflect.Value, k kind, text string) error {
	parse, want := parseInteger, "a whole number"
	if k == kindSize {
		parse, want = parseSize, "a size in bytes, such as 65536, 512KiB or 10MiB"
	}
	n, ok := parse(text)
	if !ok {
		return fmt.Errorf("must be %s, is %q", want, text)
	}
	if field.CanUint() {
		if n < 0 || field.OverflowUint(uint64(n)) {
			return fmt.Errorf("must be from 0 to %d, is %s", uint64(math.MaxUint64)>>(64-field.Type().Bits()), text)
		}
		field.SetUint(uint64(n))
		return nil
	}
	if field.OverflowInt(n) {
		return fmt.Errorf("must fit %d bits, is %s", field.Type().Bits(), text)
	}
	field.SetInt(n)
	return nil
}

func parseInteger(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	return n, err == nil
}

// setList takes a file's list, or a text of items with commas between them. An item with a comma in it can only come
// from a file's list.
func setList(field reflect.Value, raw any) error {
	var items []string
	switch raw := raw.(type) {
	case []any:
		for i, r := range raw {
			text, err := scalar(r)
			if err != nil {
				return fmt.Errorf("[%d] %w", i, err)
			}
			items = append(items, text)
		}
	default:
		text, err := scalar(raw)
		if err != nil {
			return err
		}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
	}
	list := reflect.MakeSlice(field.Type(), len(items), len(items))
	for i, item := range items {
		err := set(list.Index(i), elementKind(field.Type()), item)
		if errors.Is(err, errMasked) {
			return err // the dump masks a list of secrets as a whole
		}
		if err != nil {
			return fmt.Errorf("[%d] %w", i, err)
		}
	}
	field.Set(list)
	return nil
}

// scalar gives the text of what a YAML, TOML or JSON parser made of a plain value. A number goes through its shortest
// exact text, so that 1.5 and 1e400 are refused by the parsers above rather than bent into an integer.
func scalar(raw any) (string, error) {
	switch raw := raw.(type) {
	case string:
		return raw, nil
	case nil:
		return "", errors.New("has no value: remove the key to keep its default")
	case bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(raw), nil
	case float64:
		if raw == math.Trunc(raw) && math.Abs(raw) < 1<<53 {
			return strconv.FormatInt(int64(raw), 10), nil
		}
		return strconv.FormatFloat(raw, 'g', -1, 64), nil
	case map[string]any:
		return "", errors.New("must be a plain value, is a group of keys")
	case []any:
		return "", errors.New("must be a plain value, is a list")
	default:
		return "", fmt.Errorf("must be a plain value, is a %T", raw)
	}
}

// units of sizes, largest first. Decimal ones are left out: 10MB and 10MiB side by side invite mistakes.
func units() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

func parseSize(text string) (int64, bool) {
	for _, u := range units() {
		if head, ok := strings.CutSuffix(text, u.name); ok {
			n, ok := parseInteger(strings.TrimSpace(head))
			if !ok || n > math.MaxInt64/u.bytes || n < math.MinInt64/u.bytes {
				return 0, false
			}
			return n * u.bytes, true
		}
	}
	return parseInteger(text)
}

// format is the inverse of set for everything but secrets, which it masks: its text gives the same value again.
func format(field reflect.Value, k kind) string {
	switch k {
	case kindList:
		items := make([]string, 0, field.Len())
		for i := range field.Len() {
			items = append(items, format(field.Index(i), elementKind(field.Type())))
		}
		return strings.Join(items, ",")
	case kindDuration:
		return formatDuration(time.Duration(field.Int()))
	case kindSize:
		return formatSize(field)
	default:
	}
	switch v := field.Interface().(type) {
	case secret.Secret:
		return v.String()
	case encoding.TextMarshaler:
		if text, err := v.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(field.Interface())
}

// formatDuration drops the zero parts that Duration.String prints: 5m0s is 5m.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func formatSize(field reflect.Value) string {
	var n int64
	if field.CanUint() {
		u := field.Uint()
		if u > math.MaxInt64 {
			return strconv.FormatUint(u, 10)
		}
		n = int64(u)
	} else {
		n = field.Int()
	}
	for _, u := range units() {
		if u.bytes > 1 && n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
