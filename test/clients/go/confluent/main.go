// Writes events with confluent-kafka-go and the partitioner of the docs, and reads the topic.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

type record struct {
	User      string `json:"user"`
	Partition int32  `json:"partition"`
	Type      string `json:"type"`
}

func main() {
	var users []string
	check(json.Unmarshal([]byte(os.Getenv("USERS")), &users))
	brokers, topic := os.Getenv("KAFKA_BROKERS"), os.Getenv("KAFKA_TOPIC")
	produce(brokers, topic, users)
	records := consume(brokers, topic, 2*len(users))
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"records": records}))
}

func produce(brokers, topic string, users []string) {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": brokers, "partitioner": "murmur2_random"})
	check(err)
	defer producer.Close()
	delivered := make(chan kafka.Event, len(users))
	for number, user := range users {
		value, err := json.Marshal(map[string]any{
			"eventId":   fmt.Sprintf("0198c0de-0000-7000-8000-%012d", number),
			"userId":    user,
			"eventType": "LOGOUT",
			"timestamp": time.Now().UTC().Format(time.RFC3339Nano),
			"payload":   map[string]string{"city": "Köln"},
		})
		check(err)
		where := kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}
		check(producer.Produce(&kafka.Message{TopicPartition: where, Key: []byte(user), Value: value}, delivered))
	}
	for range users {
		check((<-delivered).(*kafka.Message).TopicPartition.Error)
	}
}

func consume(brokers, topic string, count int) []record {
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": brokers,
		"group.id":          "confluent-kafka-go",
		"auto.offset.reset": "earliest",
	})
	check(err)
	defer consumer.Close()
	check(consumer.Subscribe(topic, nil))
	var records []record
	for len(records) < count {
		message, err := consumer.ReadMessage(time.Minute)
		check(err)
		found := record{User: string(message.Key), Partition: message.TopicPartition.Partition}
		for _, header := range message.Headers {
			if header.Key == "event-type" {
				found.Type = string(header.Value)
			}
		}
		records = append(records, found)
	}
	return records
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
