import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Sends a body that is too large with the HTTP client of the JDK, and prints the status of the answer. */
class Post {
  public static void main(String[] args) throws Exception {
    var uri = URI.create(System.getenv("FOOTFALL_URL") + System.getenv("PATHNAME"));
    var body = BodyPublishers.ofByteArray(new byte[Integer.parseInt(System.getenv("BODY_BYTES"))]);
    var request = HttpRequest.newBuilder(uri).header("Content-Type", "application/json").POST(body).build();
    var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
    System.out.println("{\"status\":" + answer.statusCode() + "}");
  }
}
