package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/tidwall/gjson"
	"github.com/twmb/franz-go/pkg/kgo"

	"millrace/ingest"
	"millrace/schemas/secret"
)

// benchSecret signs all bodies; it protects nothing.
const benchSecret = "bench"

// serve runs one server under test until its standard input ends, on an address that it prints first. It runs in a
// process of its own, so that its memory and its allocations are its own.
func serve(ctx context.Context, role, brokers, dir string) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent, however it ends
		stop()
	}()
	var run func(context.Context) error
	switch role {
	case "bare":
		run = bare(ln)
	case "ingest":
		run, err = receiver(ln, strings.Split(brokers, ","))
	case "embedded", "embedded-fsync":
		run, err = withBroker(ctx, ln, dir, role == "embedded-fsync")
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if _, err := fmt.Fprintln(os.Stdout, ln.Addr()); err != nil {
		return fmt.Errorf("print address: %w", err)
	}
	err = run(ctx)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	_, printErr := fmt.Fprintln(os.Stdout, mem.Mallocs, mem.TotalAlloc)
	return errors.Join(err, printErr)
}

// bare is the peer: the same router, the whole body read, the HMAC checked and the id found, and nothing more.
func bare(ln net.Listener) func(context.Context) error {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.POST("/webhooks", func(c *gin.Context) {
		body := make([]byte, max(c.Request.ContentLength, 0))
		if _, err := io.ReadFull(c.Request.Body, body); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		want, err := base64.StdEncoding.DecodeString(c.GetHeader("X-Shopify-Hmac-Sha256"))
		mac := hmac.New(sha256.New, []byte(benchSecret))
		mac.Write(body)
		if err != nil || !hmac.Equal(mac.Sum(nil), want) {
			c.Status(http.StatusUnauthorized)
			return
		}
		if !gjson.GetBytes(body, "id").Exists() {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Data(http.StatusOK, "application/json", []byte(`{"received":true}`))
	})
	return func(ctx context.Context) error {
		web := &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
		context.AfterFunc(ctx, func() { _ = web.Close() })
		if err := web.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	}
}

func receiver(ln net.Listener, brokers []string) (func(context.Context) error, error) {
	cfg := ingest.DefaultConfig()
	cfg.Secrets = []secret.Secret{benchSecret}
	server, err := ingest.New(cfg, ingest.Deps{
		KafkaOptions: []kgo.Opt{kgo.SeedBrokers(brokers...)},
		Logger:       slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Registerer:   prometheus.NewRegistry(),
		Listener:     ln,
	})
	if err != nil {
		return nil, fmt.Errorf("build receiver: %w", err)
	}
	return server.Run, nil
}
