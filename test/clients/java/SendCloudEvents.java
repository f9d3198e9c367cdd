import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.core.message.MessageWriter;
import io.cloudevents.http.HttpMessageFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** Sends CloudEvents with the official SDK and the URL connection of the JDK, each twice, in both forms. */
class SendCloudEvents {
  public static void main(String[] args) throws Exception {
    for (int time = 0; time < 2; time++) {
      var binary = connection();
      writer(binary).writeBinary(event("binary"));
      check(binary);
      var structured = connection();
      writer(structured).writeStructured(event("structured"), "application/cloudevents+json");
      check(structured);
    }
    System.out.println("{\"errors\":[]}");
  }

  private static CloudEvent event(String id) {
    return CloudEventBuilder.v1()
        .withId(id)
        .withSource(URI.create("/matrix"))
        .withType("LOGIN")
        .withSubject(System.getenv("FOOTFALL_USER"))
        .withData("application/json", "{\"city\":\"Köln\"}".getBytes(StandardCharsets.UTF_8))
        .build();
  }

  private static HttpURLConnection connection() throws IOException {
    var uri = URI.create(System.getenv("FOOTFALL_URL") + "/cloudevents");
    var connection = (HttpURLConnection) uri.toURL().openConnection();
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    return connection;
  }

  private static MessageWriter<?, Void> writer(HttpURLConnection connection) {
    return HttpMessageFactory.createWriter(connection::setRequestProperty, body -> write(connection, body));
  }

  private static void write(HttpURLConnection connection, byte[] body) {
    try (var out = connection.getOutputStream()) {
      out.write(body);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static void check(HttpURLConnection connection) throws IOException {
    if (connection.getResponseCode() != 201) throw new IOException("answered " + connection.getResponseCode());
  }
}
