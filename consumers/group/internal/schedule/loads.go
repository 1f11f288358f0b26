package schedule

import "container/heap"

// loadHeap holds the keys whose room's front is due, the one first that stands first in the retry log.
type loadHeap []loadKey

type loadKey struct {
	log int64
	k   *key
}

func (h *loadHeap) add(k *key) {
	log := int64(0) // a key whose room was emptied meanwhile goes first, and away
	if len(k.room) > 0 {
		log = k.room[0].log
	}
	heap.Push(h, loadKey{log, k})
}

func (h *loadHeap) next() *key {
	return heap.Pop(h).(loadKey).k
}

func (h loadHeap) Len() int           { return len(h) }
func (h loadHeap) Less(i, j int) bool { return h[i].log < h[j].log }
func (h loadHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for package heap.
func (h *loadHeap) Push(x any) { *h = append(*h, x.(loadKey)) }

// Pop is for package heap.
func (h *loadHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = loadKey{}
	*h = old[:len(old)-1]
	return last
}
