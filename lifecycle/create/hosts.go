package create

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"s2i/lifecycle"
	"s2i/lifecycle/progress"
	"s2i/lifecycle/sandbox"
)

// How far hosts are looked up ahead of a build.
const (
	maxLookups  = 8
	lookupLimit = 3 * time.Second
)

// lookUpHosts warns of machines that the app makes the build ask for and that are not there: a build that cannot
// succeed is better broken off early. It looks names up while the build goes on, and connects to nobody. Behind a proxy
// it is the proxy that knows names, so nothing is said. stop ends it.
func (w *work) lookUpHosts(ctx context.Context) (stop func()) {
	hosts := w.plan(&w.bases.Plan).Hosts
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	for _, h := range hosts[:min(len(hosts), maxLookups)] {
		if w.App.Network == sandbox.NetworkNone {
			progress.Warn(ctx, "the build will ask for %s%s, and it has no network (--network none)", h.Name, askedBy(hosts, h.Name))
			continue
		}
		if proxied(os.Getenv) {
			continue
		}
		tasks.Go(func() {
			if unknown(ctx, h) {
				progress.Warn(ctx, "the build will ask for %s, whose name does not resolve here%s", h.Name, askedBy(hosts, h.Name))
			}
		})
	}
	return func() { cancel(); tasks.Wait() }
}

// proxied tells whether the build reaches others through a proxy.
func proxied(getenv func(string) string) bool {
	return slices.ContainsFunc([]string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"},
		func(name string) bool { return getenv(name) != "" })
}

// unknown tells whether it is certain that a host's name does not exist: no answer is no certainty.
func unknown(ctx context.Context, h lifecycle.Host) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, h.Name)
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
