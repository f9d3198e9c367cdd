import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes events with Java's producer as it is at first, and reads the topic, committed records alone. */
class KafkaClient {
  private static final String BROKERS = System.getenv("KAFKA_BROKERS");
  private static final String TOPIC = System.getenv("KAFKA_TOPIC");

  public static void main(String[] args) throws Exception {
    // Without a library for JSON: no name of a user has a quote.
    var users = System.getenv("USERS").replaceAll("^\\[\"|\"\\]$", "").split("\",\"");
    produce(users);
    System.out.println("{\"records\":[" + String.join(",", consume(2 * users.length)) + "]}");
  }

  private static void produce(String[] users) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", BROKERS);
    try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
      for (int number = 0; number < users.length; number++) {
        var id = String.format("0198c0de-0000-7000-8000-%012d", number);
        var value =
            String.format(
                "{\"eventId\":\"%s\",\"userId\":\"%s\",\"eventType\":\"LOGOUT\",\"timestamp\":\"%s\",\"payload\":{\"city\":\"Köln\"}}",
                id, users[number], Instant.now());
        producer.send(new ProducerRecord<>(TOPIC, users[number], value)).get();
      }
    }
  }

  private static List<String> consume(int count) {
    Map<String, Object> settings =
        Map.of(
            "bootstrap.servers", BROKERS,
            "group.id", "java",
            "auto.offset.reset", "earliest",
            "isolation.level", "read_committed");
    var records = new ArrayList<String>();
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(TOPIC));
      while (records.size() < count) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) records.add(described(record));
      }
    }
    return records;
  }

  private static String described(ConsumerRecord<String, String> record) {
    var header = record.headers().lastHeader("event-type");
    var type = header == null ? "" : new String(header.value(), StandardCharsets.UTF_8);
    return String.format(
        "{\"user\":\"%s\",\"partition\":%d,\"type\":\"%s\"}", record.key(), record.partition(), type);
  }
}
