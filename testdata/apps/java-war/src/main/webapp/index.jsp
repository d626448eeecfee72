<%@ page contentType="text/html;charset=UTF-8" %>
<p>hello from a <%= "servlet page".toUpperCase() %></p>
