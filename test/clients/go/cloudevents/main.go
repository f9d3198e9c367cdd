// Sends CloudEvents with the official SDK, each twice, in both forms.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(os.Getenv("FOOTFALL_URL") + "/cloudevents"))
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		send(client, cloudevents.WithEncodingBinary(context.Background()), "binary")
		send(client, cloudevents.WithEncodingStructured(context.Background()), "structured")
	}
	fmt.Println(`{"errors":[]}`)
}

func send(client cloudevents.Client, ctx context.Context, id string) {
	event := cloudevents.NewEvent()
	event.SetID(id)
	event.SetSource("/matrix")
	event.SetType("LOGIN")
	event.SetSubject(os.Getenv("FOOTFALL_USER"))
	if err := event.SetData(cloudevents.ApplicationJSON, map[string]string{"city": "Köln"}); err != nil {
		log.Fatal(err)
	}
	if result := client.Send(ctx, event); !cloudevents.IsACK(result) {
		log.Fatal(result)
	}
}
