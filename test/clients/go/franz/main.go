// Writes events with franz-go as it is at first, and reads the topic.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type record struct {
	User      string `json:"user"`
	Partition int32  `json:"partition"`
	Type      string `json:"type"`
}

func main() {
	var users []string
	if err := json.Unmarshal([]byte(os.Getenv("USERS")), &users); err != nil {
		log.Fatal(err)
	}
	topic := os.Getenv("KAFKA_TOPIC")
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("KAFKA_BROKERS")), kgo.ConsumeTopics(topic))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for number, user := range users {
		value, err := json.Marshal(map[string]any{
			"eventId":   fmt.Sprintf("0198c0de-0000-7000-8000-%012d", number),
			"userId":    user,
			"eventType": "LOGOUT",
			"timestamp": time.Now().UTC().Format(time.RFC3339Nano),
			"payload":   map[string]string{"city": "Köln"},
		})
		if err != nil {
			log.Fatal(err)
		}
		sent := &kgo.Record{Topic: topic, Key: []byte(user), Value: value}
		if err := client.ProduceSync(ctx, sent).FirstErr(); err != nil {
			log.Fatal(err)
		}
	}
	records := read(ctx, client, 2*len(users))
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"records": records}); err != nil {
		log.Fatal(err)
	}
}

func read(ctx context.Context, client *kgo.Client, count int) []record {
	var records []record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			log.Fatal(err)
		}
		fetches.EachRecord(func(one *kgo.Record) {
			found := record{User: string(one.Key), Partition: one.Partition}
			for _, header := range one.Headers {
				if header.Key == "event-type" {
					found.Type = string(header.Value)
				}
			}
			records = append(records, found)
		})
	}
	return records
}
